"""How the models of a run learn. No TensorFlow here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ml.declared import Declared, titled


class LossWeights(Declared):
    trainer: float = Field(
        default=1.0, ge=0, le=1000, title="Trainer (λ₁)", description="Weight of the trainer's error on the labels."
    )
    student: float = Field(
        default=1.0, ge=0, le=1000, title="Student (λ₃)", description="Weight of each student's error on the labels."
    )
    # benchmarks/trainer_effect.py, five paired seeds: 1.0 gave the smallest text student 0.40 points (0.14 to 0.66)
    # more than no trainer, and three others between 0.02 and 0.09; 0.1 gave all four between 0.04 and 0.11.
    cross: float = Field(
        default=1.0,
        ge=0,
        le=1000,
        title="Cross (λ₂)",
        description="Weight of each student's difference from the trainer. Used when there is a trainer.",
    )


class EarlyStopping(Declared):
    patience: int = Field(
        default=0,
        ge=0,
        le=1000,
        title="Patience",
        description="Stop after so many evaluations without a better value on the validation split; 0: never. "
        "The best weights are kept.",
    )
    metric: Literal["loss", "accuracy"] = Field(
        default="loss", title="Metric", description="Mean of this over the students; the trainer alone counts for none."
    )
    min_delta: float = Field(default=0.0, ge=0, title="Least change", description="A change that is smaller is none.")


class Hyperparameters(Declared):
    optimizer: Literal["adam", "adamw", "sgd", "momentum", "rmsprop", "adagrad"] = Field(
        default="adam", title="Optimizer", description="momentum is sgd with Nesterov momentum 0.9."
    )
    learning_rate: float = Field(default=0.001, gt=0, le=100, title="Learning rate", description="Size of a step.")
    learning_rate_schedule: Literal["constant", "cosine", "linear", "exponential"] = Field(
        default="constant",
        title="Schedule",
        description="cosine and linear lower the rate to zero over the steps, exponential to a hundredth.",
    )
    warmup_steps: int = Field(
        default=0, ge=0, le=100_000_000, title="Warm-up", description="Steps in which the rate rises from zero."
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        title="Weight decay",
        description="Share of each weight taken off a step, times the rate.",
    )
    clip_norm: float | None = Field(
        default=None, gt=0, title="Clip", description="Largest norm of each model's gradient; empty: no limit."
    )
    batch_size: int = Field(default=200, ge=1, le=65_536, title="Batch size", description="Examples a step.")
    steps: int = Field(default=3000, ge=1, le=100_000_000, title="Steps", description="Updates of the weights.")
    activation: Literal["relu", "relu6", "leaky_relu", "elu", "tanh", "sigmoid", "swish"] = Field(
        default="relu", title="Activation", description="Activation function of all hidden layers."
    )
    seed: int = Field(
        default=7, ge=0, le=2**31 - 1, title="Seed", description="Starts every random number; same seed, same result."
    )
    loss_weights: LossWeights = Field(
        default=LossWeights(),
        description="The three weights of the joint objective.",
        json_schema_extra=titled("Loss weights"),
    )
    cross_loss: Literal["cross_entropy", "kl", "mse_logits"] = Field(
        default="cross_entropy",
        title="Cross loss",
        description="How a student's difference from the trainer is measured; of a regression always mse_logits.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=100,
        title="Temperature",
        description="Softens trainer and student in the cross loss; 1 leaves them as they are.",
    )
    unlabelled_batch_size: int = Field(
        default=0,
        ge=0,
        le=65_536,
        title="Unlabelled batch",
        description="Examples of the unlabelled split added to each step, from which the trainer teaches; 0: none.",
    )
    class_weighting: Literal["none", "balanced"] = Field(
        default="none",
        title="Class weighting",
        description="balanced: an example of a rare class counts more, as if all classes were as frequent.",
    )
    class_weights: list[Annotated[float, Field(ge=0)]] | None = Field(
        default=None, title="Class weights", description="A weight for each class, in the order of the class list."
    )
    early_stopping: EarlyStopping = Field(
        default=EarlyStopping(),
        description="Stop when nothing gets better.",
        json_schema_extra=titled("Early stopping"),
    )
    stop_when_cross_below: float | None = Field(
        default=None,
        gt=0,
        title="Stop when cross below",
        description="Stop early once the cross loss of every student, averaged over the last 100 steps, is below this.",
    )
    quantize: Literal["int8"] | None = Field(
        default=None,
        title="Quantize",
        description="int8: students learn with weights and activations rounded to 8 bits, as their files hold them.",
    )

    @model_validator(mode="after")
    def check_combinations(self) -> Self:
        if self.cross_loss == "mse_logits" and self.temperature != 1.0:
            raise ValueError(
                "temperature has no effect on cross_loss mse_logits. Received: "
                f"temperature {self.temperature:g}. Accepted: temperature 1 with mse_logits, or another cross_loss"
            )
        if self.warmup_steps >= self.steps > 1 and self.warmup_steps:
            raise ValueError(
                f"warmup_steps leave nothing to learn in. Received: {self.warmup_steps} of {self.steps} steps. "
                "Accepted: fewer than steps"
            )
        if self.class_weights is not None and self.class_weighting != "none":
            raise ValueError(
                "class_weights and class_weighting exclude each other. Received: both. Accepted: one of them"
            )
        return self

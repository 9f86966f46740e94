// Colours of the theme as a canvas understands them: a variable may hold any CSS, such as color-mix(…).
const probe = document.createElement("span");
const dot = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
probe.hidden = true;
document.body.append(probe);

/** The value of the CSS variable `name`, such as "--tblr-border-color", as "rgba(…)". */
export function themeColour(name) {
  probe.style.color = `var(${name})`;
  dot.clearRect(0, 0, 1, 1);
  dot.fillStyle = getComputedStyle(probe).color;
  dot.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = dot.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
}

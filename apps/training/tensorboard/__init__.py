"""The real TensorBoard on a project's runs, started when somebody opens it and ended when nobody looks any more."""

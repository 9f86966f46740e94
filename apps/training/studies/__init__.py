"""Studies: many training runs that look for the best values of some fields of a spec."""

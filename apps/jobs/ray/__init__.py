"""Jobs on a Ray cluster. Ray itself is optional: nothing here imports it but what runs with it."""

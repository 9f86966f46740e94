"""`python -m ml <command>`: the engine without the platform."""

from ml.commands import main

if __name__ == "__main__":
    raise SystemExit(main())

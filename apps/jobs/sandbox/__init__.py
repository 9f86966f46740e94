"""What keeps a job's child away from the machine, the network and other people's work. docs/adr/sandbox.md says why so.

`levels` finds out what works here, `plan` says how one child is started, `../launcher.py` does it inside the child,
`usage` and `overrun` watch from outside.
"""

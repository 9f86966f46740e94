"""Writes on tenants: organizations, members, invitations, projects and keys. Each records itself in the audit log."""

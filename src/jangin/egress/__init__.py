"""What may leave this machine, and how: the policy's rules, escalation to another model's API, capture of exchanges."""

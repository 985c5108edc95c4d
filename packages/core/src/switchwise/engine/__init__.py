"""Effects, the policy protocol, the routing loop, its drivers, recovery."""

"""How long a call may take, and what cuts it short."""

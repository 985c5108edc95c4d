"""Read conversations as they grow: messages, tool kinds, phases, token estimates."""

"""How things look: numbers as text, tables and cards as HTML and text. It knows no other room, so that anything may show itself."""

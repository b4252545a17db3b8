"""From what is known of a call to a row: shape, attachments, encoding, and how trees are drawn. PURE."""

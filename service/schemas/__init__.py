"""What travels over HTTP: one module per question, strict on the way in, exact on the way out."""

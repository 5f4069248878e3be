"""The experiments that show what each link of optax_sign is worth."""

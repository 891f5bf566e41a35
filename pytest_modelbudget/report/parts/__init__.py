"""Parts that several outputs share: what each says stands here once."""

"""Ways to tell people: Telegram, e-mail, a webhook, Alertmanager."""

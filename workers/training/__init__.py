"""What every algorithm uses: data, models, batches, checkpoints, evaluation, reports. No losses stand here."""

"""The worker's side: from stream entries to results, by way of decoder and engine."""

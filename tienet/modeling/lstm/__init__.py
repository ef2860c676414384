"""The LSTM that reads and writes reports, with and without spatial attention."""

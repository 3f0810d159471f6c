"""One file for each recogniser; ``base`` says what they have in common."""

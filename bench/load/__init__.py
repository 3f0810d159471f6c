"""Load: calls at a rate through SIPp (``calls``), and paced RTP that measures the delay it meets (``rtp``)."""

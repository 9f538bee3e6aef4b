"""IEEE 802.1AE-2018: SecTAG codec, cipher suites, associations, SecY and its reference twin."""

"""Moves frames; knows nothing of BGP, labs or clouds."""

"""What is done ahead: revocation lists and answers fetched, ends warned of, and what is measured.

A process of its own: it alone of the channel's processes goes out to others, and it never sees what
a sender sent.
"""

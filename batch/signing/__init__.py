"""Who signed: CMS and X.509. Pure: no disk, no network, no clock, no register.

An FS is the base64 of a detached CMS SignedData (RFC 5652) over the exact bytes of an FI. Read
``verification`` first: the numbered steps from an FS to *signed by whom*, *not signed* with one
cause, or *undecided*. ``signature`` makes an FS, ``certificate`` and ``path`` judge a certificate
when it is registered, ``revocation`` weighs what lists and OCSP answers tell of it.
"""

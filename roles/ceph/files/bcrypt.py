# Kept by Drover's role ceph. In the place of Debian's, which only one module of ceph-mgr could load.
"""What ceph-mgr's modules import. Only a dashboard, which is not here, would call any of it."""


def hashpw(*_arguments):
    """Refuse to hash a password."""
    raise NotImplementedError("no bcrypt here: Drover's role ceph says why")


gensalt = checkpw = hashpw

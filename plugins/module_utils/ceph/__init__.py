# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ceph: who does what in its cluster, its daemons and keys, its health, and that a node is gone."""

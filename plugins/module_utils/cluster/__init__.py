# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pacemaker: the cluster's configuration and status, its scheduler's prediction, and Drover's own objects in it."""

# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A console without a cluster: the real one, before a steward that plays one small cluster, for work on the page."""

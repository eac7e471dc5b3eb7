# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Entry points on nodes: OCF agents, the requests of the peer service, the dead-man's switch of a container's move."""

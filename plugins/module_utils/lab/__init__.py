# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The embedded cluster: nodes as system containers on this machine, with power controllers that speak IPMI."""

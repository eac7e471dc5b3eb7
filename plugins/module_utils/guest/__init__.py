# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A guest as nodes know it: declared in declaration/, it has its definition here, and is a domain in hypervisor/."""

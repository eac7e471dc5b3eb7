# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bench of failover: power cuts, under Drover and under stock agents with default timings, in turn."""

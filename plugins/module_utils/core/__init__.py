# Copyright: The Drover maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What knows nothing of Drover: errors, running programs, waiting, sizes and times, files, locks, threads, tables."""

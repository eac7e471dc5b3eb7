"""How much of a migration a client notices: Drover beside bare virsh and Pacemaker's stock agent."""

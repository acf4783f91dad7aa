"""What all subjects measure with: figures, processes, the ceiling of the machine, and the page of what was found."""

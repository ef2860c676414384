"""How other works judge written reports: R2Gen's test on OpenI, and the file that ReXrank takes."""

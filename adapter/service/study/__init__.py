"""In: the desk of whoever asks. Out: the trial as a whole: funnel and flow, runs, screening log, audit trail, as pages, CSV and JSON, of the sites that they may see."""

"""What the operators' console shows of all processes, and how it comes to its pages. The pages themselves are in the admin site.

Numbers come from the stored samples (`transcription.metrics`), live sessions from the web processes over the channel layer
(`transcription.streaming.reporting`), texts from the database, for those only who may read transcripts.
"""

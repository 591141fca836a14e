"""Safe readers of files from outside: pickles by an allow-list, tfrecords, archives."""

"""In: the pseudonymised feed, or packages on disk. Out: a package, whole or not at all, of one site or several; what is in it traced, verified and compared with another."""

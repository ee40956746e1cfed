"""The verb `export`: a decoder specialist in the forms that other servers read. An export is a new artefact."""

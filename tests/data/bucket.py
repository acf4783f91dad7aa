"""A file system that Beam opens and that is not the local one: files in memory, under `bucket://`."""

import io
from typing import ClassVar

from apache_beam.io.filesystem import FileMetadata, FileSystem


class InMemoryFileSystem(FileSystem):
    files: ClassVar[dict[str, bytes]] = {}

    @classmethod
    def scheme(cls):
        return "bucket"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for path, content in self.files.items():
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(content), 1.0)

    def open(self, path, mime_type="", compression_type="auto"):
        return io.BytesIO(self.files[path])

    def create(self, path, mime_type="", compression_type="auto"):
        raise NotImplementedError

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def exists(self, path):
        return path in self.files

    def size(self, path):
        return len(self.files[path])

    def last_updated(self, path):
        return 1.0

    def checksum(self, path):
        return ""

    def metadata(self, path):
        return FileMetadata(path, self.size(path), 1.0)

    def delete(self, paths):
        raise NotImplementedError

"""What a file is by its first bytes, so that a message can name it."""

READ = {"PNG": (b"\x89PNG",), "JPEG": (b"\xff\xd8\xff",), "BMP": (b"BM",), "WEBP": (b"RIFF",),
        "PPM": (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")}  # by Pillow's names; PPM is PBM, PGM and PPM
OTHERS = {"GIF": (b"GIF8",), "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "Photoshop": (b"8BPS",),
          "PFM": (b"PF", b"Pf"), "PAM": (b"P7",), "JPEG 2000": (b"\0\0\0\x0cjP", b"\xffO\xffQ"), "icon": (b"\0\0\1\0",),
          "EPS": (b"%!PS", b"\xc5\xd0\xd3\xc6"), "PDF": (b"%PDF",), "XML or HTML": (b"<",), "NumPy": (b"\x93NUMPY",),
          "zip": (b"PK\3\4",), "gzip": (b"\x1f\x8b",), "HDF5": (b"\x89HDF",), "QOI": (b"qoif",)}


def name(start: bytes) -> str:
    """The format of a file whose first bytes these are, at least 16 of them: "PNG", "TIFF", "text", "empty", ..."""
    if not start:
        return "empty"
    for kinds in (READ, OTHERS):
        for kind, magics in kinds.items():
            if start.startswith(magics) and (kind != "WEBP" or start[8:12] == b"WEBP"):
                return kind
    if start[4:8] == b"ftyp":
        return "HEIC, AVIF or video"
    return "text" if start.isascii() and all(32 <= byte < 127 or byte in b"\n\r\t" for byte in start) else "unknown"

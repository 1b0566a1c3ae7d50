import TestKit

@testable import NetKit
@testable import ShardKit

/// Compressed streams, containers and archives.
let streamTargets: [String: FuzzTarget] = [
  "streams": reader(fixtures: ["cc100/ja-part.txt.xz", "documents", "wikipedia"], bytes: packed) { input in
    _ = try decompress(MemorySource(input), Compression.detect(input)).readAll(limit: 1 << 22)
  },
  // Those of whose bytes none tell the format, and each under a name that is not its own.
  "bodies": choosing(4, samples: ["<p>text</p>"], bytes: packed) { choice, content in
    let source = MemorySource(content)
    let body: any ByteSource =
      switch choice {
      case 0: try BrotliSource(source)
      case 1: try DeflateSource(source, .zlib)
      case 2: try DeflateSource(source, .raw)
      default: try GzipSource(source, readsOneMember: true)
      }
    _ = try body.readAll(limit: 1 << 22)
  },
  "members": fileReader("a.gz", fixtures: ["documents/foreign.jsonl.gz"], bytes: packed) { path in
    let parts = try GzipParts(path: path)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 64)
    defer { block.deallocate() }
    while parts.nextPart() {
      var bytes = 0
      while bytes < 1 << 22, case let count = (try? parts.read(into: block)) ?? 0, count > 0 { bytes += count }
    }
  },
  // What is read as a whole, parts have the same lines of.
  "line-parts": fileReader(
    "a.jsonl.zst", fixtures: ["documents"], samples: ["a\nb\n\nc", "a\r\n\u{FEFF}b\n"], bytes: packed
  ) { path in
    var whole: [[UInt8]] = [], parted: [[UInt8]] = []
    let reader = LineReader(try openSource(path), maximumLineBytes: 1 << 20)
    while whole.count < 1 << 12, let line = try reader.next() { whole.append(Array(line)) }
    let parts = try LinePart.parts(of: path, bytes: 100) {}
    for part in parts {
      let lines = try part.lines(of: path, maximumLineBytes: 1 << 20)
      while part.holdsNext(lines), let line = try lines.next() { parted.append(Array(line)) }
    }
    promise(parts.isEmpty || whole.count == 1 << 12 || whole == parted, "parts have the lines of the whole")
  },
  // What libbz2 reads to its end, the decoder of ours reads equally; it goes on behind what it cannot read.
  "bzip2-blocks": fileReader("a.bz2", fixtures: ["wikipedia"]) { path in
    let whole = try? Bzip2Source(FileSource(path)).readAll(limit: 1 << 22)
    let blocks = try Bzip2Blocks(path, from: 0)
    var read: [UInt8] = [], isDamaged = false
    while read.count < 1 << 22 {
      do throws(ShardError) {
        read += try blocks.readAll(limit: 1 << 22)
        break
      } catch {
        isDamaged = true
        guard error.code == .malformed, try blocks.skipDamaged() else { break }
      }
    }
    promise(whole == nil || isDamaged || whole == read, "both decoders read the same")
    _ = try Bzip2Blocks.places(path)
  },
  "tar": choosing(2, bytes: archives, words: ["ustar", "7777777777", "path=", "size=", "9 path=a\n", "6 pat="]) {
    choice, content in
    var content = content
    if choice == 1 { mendTarChecksums(&content) }
    let reader = TarReader(MemorySource(content))
    while let member = try reader.next() {
      promise(ArchivePath.isSafe(ArchivePath.safe(member.name)), "a member's name can be made safe")
      _ = try? reader.readMember(limit: 1 << 20)
    }
  },
  "zip": reader(fixtures: ["aozora/cards/900002/files/90002_ruby_102.zip"], words: ["PK\u{3}\u{4}", "PK\u{1}\u{2}"]) {
    input in
    let zip = try ZipReader(input, name: "fuzz.zip")
    for entry in zip.entries.prefix(64) { _ = try? zip.read(entry, limit: 1 << 20) }
  },
  "warc": reader(samples: warcSamples, words: ["WARC/1.0\r\n", "Content-Length: ", "WARC-Type: "]) { input in
    for format in [ArchiveFormat.warc, ArchiveFormat.detect(input) ?? .warc] {
      let reader = WARCReader(MemorySource(input), format)
      var items = 0
      while let item = try reader.next(limit: 1 << 20) {
        items += 1
        promise(items <= input.count + 1, "an archive ends")
        if case .record(let record) = item { _ = (record.message, record.kind, record.target) }
      }
    }
  },
  "warc-file": fileReader("a.warc.gz", samples: warcSamples, bytes: packed) { path in
    _ = try WARCReader.isArchive(path)
    let reader = try WARCReader(path: path)
    while try reader.next(limit: 1 << 20) != nil {}
  },
]

let warcSamples = [
  "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://e.jp/\r\nWARC-Date: 2025-01-02T03:04:05Z\r\n"
    + "Content-Type: application/http\r\nContent-Length: 71\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    + "<p>文章です。</p>\r\n\r\n\r\nWARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n",
  "filedesc://IA.arc 0.0.0.0 20080430204825 text/plain 76\n1 0 InternetArchive\nURL IP-address Archive-date"
    + " Content-type Archive-length\n\nhttp://e.jp/1 192.0.2.1 20080430204826 text/html 5\nabcde\n",
]

/// A text in formats that are read, as this program packs it or others do.
private let packed: [[UInt8]] = {
  let text = Array("吾輩は猫である。名前はまだ無い。吾輩は猫である。".utf8)
  func sealed(_ make: (any ByteSink) throws -> any ByteSink) -> [UInt8] {
    let collected = CollectingSink()
    do {
      let sink = try make(collected)
      try sink.write(text)
      try sink.commit()
    } catch {
      fatalError("a sample cannot be packed: \(error)")
    }
    return collected.bytes
  }
  // Made by lz4 1.9 and brotli 1.0 of one line.
  let lz4 = bytes(hex: "04224d1860408214000000af74686520746578742c200a0010506578742e0a00000000")
  let brotli = bytes(hex: "13310000049c63dd92a48bb509a72fbc24312a940037b3275601")
  let gzip = sealed { try GzipSink($0) }
  return [gzip, gzip + gzip, sealed { ZstdSink($0) }, brotli, lz4]
}()

/// A pax header, the member that it is for, and one with a long name.
private let archives: [[UInt8]] = {
  let sink = CollectingSink()
  do {
    let writer = TarWriter(sink)
    try writer.add("PaxHeader", Array("12 path=p.txt\n9 size=6\n".utf8))
    try writer.add("a.txt", Array("本文".utf8))
    try writer.add(String(repeating: "長", count: 60) + ".txt", Array("b".utf8))
    try writer.finish()
  } catch {
    fatalError("a sample cannot be packed: \(error)")
  }
  var bytes = sink.bytes
  bytes[156] = UInt8(ascii: "x")
  mendTarChecksums(&bytes)
  return [bytes]
}()

private func bytes(hex: String) -> [UInt8] {
  let digits = hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
  return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

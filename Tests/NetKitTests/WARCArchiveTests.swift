import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite struct WARCArchiveTests {
  private let folder = temporaryDirectory()

  private func record(_ text: String, length: Int? = nil) -> [UInt8] {
    Array(
      "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: \(length ?? text.utf8.count)\r\n\r\n\(text)\r\n\r\n".utf8)
  }

  private func packed(_ bytes: [UInt8]) throws -> [UInt8] {
    let collected = CollectingSink()
    let sink = try GzipSink(collected)
    try sink.write(bytes)
    try sink.commit()
    return collected.bytes
  }

  private func frame(_ bytes: [UInt8]) throws -> [UInt8] {
    let collected = CollectingSink()
    let sink = ZstdSink(collected)
    try sink.write(bytes)
    try sink.commit()
    return collected.bytes
  }

  private func items(_ bytes: [UInt8], limit: Int = 1000) throws -> (texts: [String], archive: WARCReader) {
    try FileSystem.write(bytes, to: folder + "/a")
    let archive = try WARCReader(path: folder + "/a")
    var out: [String] = []
    while let item = try archive.next(limit: limit) {
      switch item {
      case .record(let record): out.append(String(decoding: record.block, as: UTF8.self))
      case .cut(let record): out.append("(cut) \(String(decoding: record.block, as: UTF8.self))")
      case .tooLarge: out.append("(too large)")
      case .damaged: out.append("(damaged)")
      case .malformed: out.append("(malformed)")
      }
    }
    return (out, archive)
  }

  /// A member a record, several records a member, blocks that cut records, compressed as a whole, plain: one result.
  @Test func everyMakeIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["一つ", "", "three\r\nWARC/1.0\r\nis quoted here", "四つ"]
    let records = texts.map { record($0) }
    let all: [UInt8] = records.flatMap(\.self)
    func blocks(_ size: Int) throws -> [UInt8] {
      try stride(from: 0, to: all.count, by: size).flatMap { try packed(Array(all[$0..<min(all.count, $0 + size)])) }
    }
    var makes: [String: [UInt8]] = [
      "plain": all, "whole": try packed(all), "members": try records.flatMap { try packed($0) },
      "two a member": try packed(records[0]) + packed(records[1] + records[2]) + packed(records[3]),
      "padded": try records.flatMap { try packed($0) + [0, 0, 0] }, "zstd": try frame(all),
      "frames": try records.flatMap { try frame($0) }, "with line feeds": all.filter { $0 != 13 },
      "with CR CR LF": Array(String(decoding: all, as: UTF8.self).replacing("\r\n", with: "\r\r\n").utf8),
    ]
    for size in [1, 7, 64, 65, 66, 100, 150] { makes["blocks of \(size)"] = try blocks(size) }
    for (name, bytes) in makes {
      let (found, archive) = try items(bytes)
      let isOther = name.hasPrefix("with")
      #expect(isOther ? found.count == 4 && found[0] == texts[0] && found[3] == texts[3] : found == texts, "\(name)")
      #expect((isOther || archive.wrongLengths == 0) && archive.damage.isEmpty, "\(name)")
    }
    #expect(try items([]).texts == [])
  }

  @Test func whatIsTooLargeOrNoRecordIsNamed() throws {
    defer { try? FileSystem.removeTree(folder) }
    let large = String(repeating: "x", count: 5 << 20)
    let members = try packed(record("a")) + packed(record(large)) + packed(Array("garbage".utf8)) + packed(record("b"))
    #expect(try items(members).texts == ["a", "(too large)", "(malformed)", "b"])
    let plain = record("a") + record(large) + Array("garbage\r\n".utf8) + record("b")
    #expect(try items(plain).texts == ["a", "(too large)", "(malformed)", "b"])
    // A bomb of a member costs no memory.
    let bomb = try packed([UInt8](repeating: 0x41, count: 64 << 20))
    #expect(try items(packed(record("a")) + bomb + packed(record("b"))).texts == ["a", "(malformed)", "b"])
  }

  @Test func damageIsToldWithItsPlace() throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["a", String(repeating: "長い文章。", count: 60), "c"]
    let members = try texts.map { try packed(record($0)) }
    for at in [0, 3, 20, 60, members[1].count - 6] {
      var broken = members
      broken[1][at] ^= 0xFF
      let (found, archive) = try items(broken.flatMap(\.self))
      #expect(found.count == 3 && found[0] == "a" && found[2] == "c", "byte \(at): \(found)")
      #expect(["(malformed)", "(damaged)"].contains(found[1]), "byte \(at)")
      let sentence = "\(archive.damage[0])".replacing(folder, with: "FOLDER")
      #expect(sentence.hasPrefix("FOLDER/a: the gzip stream is damaged at compressed byte "))
    }
  }

  /// An archive that was cut anywhere gives its records up to the cut, what there is of the last, and the damage.
  @Test func aCutAnywhereIsTold() throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["a", "b", "文字が十あります。"]
    for isPacked in [true, false] {
      let parts = try texts.map { isPacked ? try packed(record($0)) : record($0) }
      let all = parts.flatMap(\.self)
      for cut in (parts[0].count + parts[1].count + 1)..<all.count {
        let (found, archive) = try items(Array(all[..<cut]))
        #expect(Array(found[..<2]) == ["a", "b"] && found.count <= 3, "\(cut)")
        if found.count == 3 {
          #expect(
            found[2] == texts[2] || found[2].hasPrefix("(cut)") || found[2] == "(malformed)", "\(cut): \(found[2])")
        }
        // A plain archive may end behind its last record, with or without line ends.
        let isWhole = !isPacked && found.last == texts[2]
        #expect(archive.damage.map(\.code) == (isWhole ? [] : [.truncated]), "\(isPacked) \(cut): \(found)")
      }
    }
  }

  /// A length that lies costs neither its own record nor the next one, whatever the archive's make.
  @Test(arguments: [-3, -1, 1, 2, 3, 40, 70, 130, 900, 2000, 99_990_000])
  func lengthsThatLieCostNothing(off: Int) throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["これは最初の文章です。", "二番目の文章です。", "三番目の文章です。"]
    let records = texts.enumerated().map { number, text in
      record(text, length: number == 1 ? text.utf8.count + off : nil)
    }
    let makes = try [records.flatMap(\.self), records.flatMap { try packed($0) }, packed(records.flatMap(\.self))]
    for (number, bytes) in makes.enumerated() {
      let (found, archive) = try items(bytes)
      #expect(found == texts, "make \(number)")
      #expect(archive.wrongLengths == 1 && archive.damage.isEmpty, "make \(number)")
    }
  }

  /// A length above the limit is a lie as well where records begin and end within it, near or far.
  @Test(arguments: [0, 900, 3000, 700_000]) func largeLengthsAreBelievedByTheirEnds(bytes: Int) throws {
    defer { try? FileSystem.removeTree(folder) }
    let first = String(repeating: "x", count: bytes)
    let rest = record("二番目") + record("三番目")
    let shown = bytes > 1000 ? "(too large)" : first
    for length in [bytes + 1001, bytes + 50_000, 99_990_000, Int.max] {
      let (found, archive) = try items(record(first, length: length) + rest)
      #expect(found == [shown, "二番目", "三番目"], "\(length)")
      #expect(archive.wrongLengths == 1 && archive.damage.isEmpty, "\(length)")
      #expect(try items(packed(record(first, length: length) + rest)).texts == [shown, "二番目", "三番目"])
    }
    // Two records that lie, and one that is cut.
    let twice = record(first, length: 99_990_000) + record("x", length: 99_990_000) + rest.dropLast(7)
    #expect(try items(twice).texts == [shown, "x", "二番目", "(cut) 三番"])
  }

  /// A large record that is as long as it states may hold heads, and archives.
  @Test func largeRecordsHoldHeads() throws {
    defer { try? FileSystem.removeTree(folder) }
    let inner = String(decoding: (0..<40).flatMap { record("inner \($0)") }, as: UTF8.self)
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/warc\r\n\r\n"
    let quoted = String(repeating: "x\nWARC/1.0\r\nContent-Length: 7\r\n\r\ny", count: 40_000)
    for large in [inner, head + inner, quoted] {
      let all = [record("a"), record(large), record("b")]
      for bytes in [all.flatMap(\.self), try all.flatMap { try packed($0) }, try packed(all.flatMap(\.self))] {
        let (found, archive) = try items(bytes)
        #expect(found == ["a", "(too large)", "b"])
        #expect(archive.wrongLengths == 0 && archive.damage.isEmpty)
      }
    }
  }

  /// Members that look like heads of others and break late would be read over and over.
  @Test func hostileHeadsCostLinearTime() throws {
    defer { try? FileSystem.removeTree(folder) }
    // A stored block of 65,535 bytes that are heads themselves: each is sound for as long as the first one.
    let head: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0xFF, 0xFF, 0, 0]
    let bytes = try packed(record("a")) + (0..<20_000).flatMap { _ in head } + packed(record("b"))
    let (found, archive) = try items(bytes)
    #expect(found.first == "a" && archive.damageCount > 0)
    #expect(archive.damage.count <= 16)
  }
}

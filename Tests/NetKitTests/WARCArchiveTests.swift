import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite struct WARCArchiveTests {
  private let folder = temporaryDirectory()

  private func record(_ text: String) -> [UInt8] {
    Array("WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)\r\n\r\n".utf8)
  }

  private func packed(_ bytes: [UInt8]) throws -> [UInt8] {
    let collected = CollectingSink()
    let sink = try GzipSink(collected)
    try sink.write(bytes)
    try sink.commit()
    return collected.bytes
  }

  private func items(_ bytes: [UInt8], limit: Int = 1000) throws -> (texts: [String], archive: WARCArchive) {
    try FileSystem.write(bytes, to: folder + "/a")
    let archive = try WARCArchive(path: folder + "/a")
    var out: [String] = []
    while let item = archive.next(limit: limit) {
      switch item {
      case .record(let record): out.append(String(decoding: record.block, as: UTF8.self))
      case .tooLarge: out.append("(too large)")
      case .malformed: out.append("(malformed)")
      }
    }
    return (out, archive)
  }

  /// A member a record, several records a member, compressed as a whole, plain: the same records.
  @Test func everyMakeIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    let texts = ["一つ", "", "three\r\nWARC/1.0\r\nis quoted here", "四つ"]
    let records = texts.map(record)
    let makes: [String: [UInt8]] = [
      "plain": records.flatMap(\.self), "whole": try packed(records.flatMap(\.self)),
      "members": try records.flatMap { try packed($0) },
      "two a member": try packed(records[0]) + packed(records[1] + records[2]) + packed(records[3]),
      "padded": try records.flatMap { try packed($0) + [0, 0, 0] },
    ]
    for (name, bytes) in makes {
      let (found, archive) = try items(bytes)
      #expect(found == texts, "\(name)")
      #expect(archive.wrongLengths == 0 && archive.damage.isEmpty, "\(name)")
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
    let members = try ["a", "b", "c"].map { try packed(record($0)) }
    var broken = members
    broken[1][20] ^= 0xFF
    let (texts, archive) = try items(broken.flatMap(\.self))
    #expect(texts.first == "a" && texts.last == "c" && texts.contains("(malformed)"))
    let sentence = "\(archive.damage[0])".replacing(folder, with: "FOLDER")
    #expect(sentence.hasPrefix("FOLDER/a: the gzip stream is damaged at compressed byte "))
    let cut = try items(Array(members.flatMap(\.self).dropLast(3)))
    #expect(cut.texts == ["a", "b", "(malformed)"])
    #expect(cut.archive.damage.map(\.code) == [.truncated])
  }
}

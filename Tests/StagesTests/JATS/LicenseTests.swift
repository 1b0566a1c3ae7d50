import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@testable import MarkupKit

@Suite struct LicenseTests {
  /// The license that an article with this front matter gets, and where from; or why it is dropped.
  private func decision(
    _ permissions: String, pmcid: String = "", options: [JSONMember] = []
  ) throws -> (String, warnings: [String: Int]) {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let xml = """
      <article xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:ali="http://www.niso.org/schemas/ali/1.0/">
      <front><article-meta><article-id pub-id-type="pmc">\(pmcid)</article-id>
      <permissions>\(permissions)</permissions></article-meta></front><body><p>Text.</p></body></article>
      """
    try FileSystem.write(Array(xml.utf8), to: folder + "/a.xml")
    let run = try StageHarness(
      JATSExtract.self,
      options: .object(
        [
          JSONMember("articles", .string(folder + "/a.xml")), JSONMember("minimumBytes", 0),
          JSONMember("licenses", .strings(LicenseName.allCases.map(\.rawValue))),
        ] + options)
    ).run()
    #expect(run.ledger.imbalance == 0)
    if let drop = try run.drops().first { return ("\(drop.reason): \(drop.detail ?? "")", run.warnings) }
    let metadata = try JSONValue.parse(run.documents()[0].metadata).value
    return ("\(metadata["license"]!.string!) \(metadata["licenseSource"]?.string ?? "")", run.warnings)
  }

  @Test(arguments: [
    ("http://creativecommons.org/licenses/by/4.0/", "CC BY 4.0"),
    ("https://www.creativecommons.org/licenses/by-nc-nd/3.0/us/deed.en", "CC BY-NC-ND 3.0"),
    ("creativecommons.org/licenses/by-nc-sa/2.5", "CC BY-NC-SA 2.5"),
    ("HTTP://CREATIVECOMMONS.ORG/licenses/by-sa/4.0", "CC BY-SA 4.0"),
    ("https://creativecommons.org/licenses/by-nd/4.0/legalcode", "CC BY-ND 4.0"),
    ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0 1.0"),
    ("https://creativecommons.org/publicdomain/mark/1.0/", "public domain"),
    ("https://creativecommons.org/licenses/nc-sa/1.0/", "CC BY-NC-SA 1.0"),
    ("https://creativecommons.org/licences/by-nc/4.0/", "CC BY-NC 4.0"),
  ])
  func urlsOfCreativeCommons(url: String, expected: String) throws {
    #expect(try decision("<license xlink:href=\"\(url)\"/>").0 == expected + " href")
    #expect(
      try decision("<license><license-p>See <ext-link xlink:href=\"\(url)\">here</ext-link>.</license-p></license>").0
        == expected + " href")
    #expect(try decision("<ali:license_ref>\(url)</ali:license_ref>").0 == expected + " license_ref")
  }

  /// What is not understood makes a license stricter or unknown, never freer.
  @Test(arguments: [
    ("Text under CC BY 4.0; the figures under CC BY-NC-ND 4.0", "CC BY-NC-ND"),
    ("Creative Commons Attribution License（https://creativecommons.org/licenses/by-nc/4.0/）", "CC BY-NC"),
    ("CC BY, “https://creativecommons.org/licenses/by-nc-nd/4.0/”", "CC BY-NC-ND"),
    ("A Creative Commons Attribution License (http//creativecommons.org/licenses/by-nc/3.0/)", "CC BY-NC"),
    ("Creative Commons Attribution-No Derivs License", "CC BY-ND"),
    ("Creative Commons Attribution-Non- Commercial License", "CC BY-NC"),
    ("Creative Commons Attribution Non\u{AD}Commercial License", "CC BY-NC"),
    ("CC BY 4.0. Commercial use is prohibited.", "CC BY-NC"),
    ("CC BY_NC 4.0", "CC BY-NC"), ("CC BY/NC 4.0", "CC BY-NC"), ("CC-BY (NC)", "CC BY-NC"),
    ("CC BY 表示-非営利-改変禁止", "CC BY-NC-ND"),
    ("Creative Commons Attribution License. No commercial use.", "CC BY-NC"),
    ("Creative Commons Attribution License; not to be used for commercial purposes.", "CC BY-NC"),
    ("Creative Commons Attribution License. Commercial reproduction needs our consent.", "CC BY-NC"),
    ("Creative Commons Attribution License, provided the work is not altered or transformed in any way.", "CC BY-ND"),
    ("CC BY 4.0. The text may be copied unmodified.", "CC BY-ND"),
    ("CC BY 4.0. Adaptations are distributed under the same licence.", "CC BY-SA"),
    ("See https://creativecommons.org/licenses/by/4.0/. No commercial use.", "CC BY-NC"),
    ("CC BY, NC", "CC BY-NC"), ("CC0, except where noted.", "unknown"),
    ("Figure 2 is in the public domain.", "unknown"),
    ("All rights reserved. Metadata of this article is CC0.", "unknown"),
    ("Portions of this work are in the public domain.", "unknown"),
    ("All rights reserved. No part of this article is in the public domain.", "unknown"),
    ("All rights reserved. The data set is in the public domain.", "unknown"),
    ("Content that is in the public domain may be used; otherwise permission is required.", "unknown"),
    ("Data associated with the article are available under the Creative Commons Zero waiver (CC0 1.0).", "unknown"),
  ])
  func nothingIsFreerThanItSays(wording: String, expected: String) throws {
    let found = try decision("<license><license-p>\(wording)</license-p></license>").0
    #expect(
      expected == "unknown"
        ? found.hasPrefix("license-unknown") || found.hasPrefix("unknown") : found.hasPrefix(expected), "\(found)")
  }

  @Test(arguments: [
    ("by-nc", "CC BY-NC"), ("CC BY-NC 4.0 International", "CC BY-NC 4.0"), ("open-access", "unknown"),
    ("by permission", "unknown"), ("CC BY-NC 3.0 IGO", "CC BY-NC 3.0"), ("CC BY 3.0 US", "CC BY 3.0"),
    ("by subscription", "unknown"),
    ("CC BY or subscription", "unknown"), ("CC BY-NC 4.0 Licence", "CC BY-NC 4.0"), ("ccbyncndlicence", "CC BY-NC-ND"),
  ])
  func attributesNameLicencesInManyWays(type: String, expected: String) throws {
    let found = try decision("<license license-type=\"\(type)\"/>").0
    #expect(found.contains(expected), "\(found)")
  }

  @Test(arguments: [
    ("Distributed under the Creative Commons Attribution License, which permits unrestricted use.", "CC BY"),
    ("Published under a Creative Commons Attribution 4.0 International licence.", "CC BY 4.0"),
    ("Under the Creative Commons Attribution Noncommercial License 3.0.", "CC BY-NC 3.0"),
    ("A Creative Commons Attribution‐NonCommercial‐NoDerivs License; no modifications are made.", "CC BY-NC-ND"),
    ("The Creative Commons Attribution-ShareAlike Licence applies.", "CC BY-SA"),
    ("Creative Commons Attribution License, which permits non-commercial use.", "CC BY-NC"),
    ("Creative Commons Attribution License: commercial and non-commercial use are permitted.", "CC BY"),
    ("Creative Commons Attribution License. For commercial re-use, please contact the press.", "CC BY-NC"),
    ("Open access under CC BY-NC-ND license.", "CC BY-NC-ND"), ("Licensed CC-BY 4.0.", "CC BY 4.0"),
    ("(CC BY NC SA)", "CC BY-NC-SA"), ("Made available under the CC0 dedication.", "CC0"),
    ("Creative Commons BY 4.0", "CC BY 4.0"),
    ("Its terms: https://creativecommons.org/licenses/by-nc/4.0/.", "CC BY-NC 4.0"),
    ("A Creative Commons Attribution License (http://creativecommons.org/licenses/by-nd/3.0/)", "CC BY-ND 3.0"),
    ("This report is in the public domain.", "public domain"),
    (
      "Distributed under the terms of the Creative Commons Public Domain Declaration, which stipulates that, once placed in "
        + "the public domain, this work may be freely reproduced, or otherwise used by anyone for any lawful purpose.",
      "public domain"
    ),
    (
      "Free of all copyright, and may be freely reproduced, or otherwise used by anyone for any lawful purpose. The work is "
        + "made available under the Creative Commons CC0 public domain dedication.", "CC0"
    ),
    ("Creative Commons Attribution License, which permits use for any purpose, even commercially.", "CC BY"),
    (
      "Creative Commons Attribution License. The Creative Commons Public Domain Dedication waiver applies to the data.",
      "CC BY"
    ),
  ])
  func sentences(wording: String, expected: String) throws {
    #expect(try decision("<license><license-p>\(wording)</license-p></license>").0 == expected + " wording")
    #expect(try decision("<copyright-statement>\(wording)</copyright-statement>").0 == expected + " wording")
  }

  @Test(arguments: [
    "Copyright 2020 The Author. All rights reserved.", "This is an open-access article.", "Creative Commons License",
    "http://www.example.org/licenses/by/4.0/", "The public domain is large.", "ccbyx license", "success by chance",
  ])
  func whatNamesNoLicenceIsUnknown(wording: String) throws {
    let xml = "<license license-type=\"open-access\" xlink:href=\"http://www.example.org/tdm\">\(wording)</license>"
    #expect(try decision(xml).0 == "license-unknown: http://www.example.org/tdm")
    #expect(try decision(xml, options: [JSONMember("unknownLicense", "keep")]).0 == "unknown ")
  }

  /// A waiver for the data frees nothing else; nor does an address that only looks like Creative Commons'.
  @Test(arguments: [
    "<license><license-p>All rights reserved. The CC0 waiver <ext-link xlink:href=\"http://creativecommons.org/publicdomain/zero/1.0/\">here</ext-link> applies to the data.</license-p></license>",
    "<license xlink:href=\"http://notcreativecommons.org/licenses/by/4.0/\"/>",
    "<license xlink:href=\"http://example.org/?u=creativecommons.org/licenses/by/4.0/\"/>",
  ])
  func whatOnlyLooksFreeIsUnknown(permissions: String) throws {
    #expect(try decision(permissions).0.hasPrefix("license-unknown: "))
  }

  @Test func typesAreCodes() throws {
    #expect(try decision("<license license-type=\"cc-by-nc\"/>").0 == "CC BY-NC license-type")
    #expect(
      try decision("<ali:license_ref content-type=\"ccbyncndlicense\">x</ali:license_ref>").0
        == "CC BY-NC-ND license-type")
    #expect(try decision("").0 == "license-unknown: no license is stated")
  }

  @Test func theStricterOfTwoCountsAndIsWarnedOf() throws {
    let xml = """
      <license xlink:href="http://creativecommons.org/licenses/by/4.0/"><license-p>Creative Commons Attribution
      Non-Commercial License</license-p></license>
      """
    let (text, warnings) = try decision(xml)
    #expect(text == "CC BY-NC wording" && warnings == ["license-disagreement": 1])
    let both = try decision(
      "<license xlink:href=\"http://creativecommons.org/licenses/by-sa/4.0/\"/>"
        + "<ali:license_ref>http://creativecommons.org/licenses/by-nc/4.0/</ali:license_ref>")
    #expect(both.0 == "CC BY-NC-SA href+license_ref" && both.warnings == ["license-disagreement": 1])
  }

  @Test func theListIsASecondSource() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let list = """
      File,Article Citation,Accession ID,Last Updated,PMID,License,Retracted
      a/1.tar.gz,"J Invented. 2020; 1, 2",PMC1,2020-01-01 00:00:00,11,CC BY,no
      a/2.tar.gz,J Invented,PMC2,2020-01-01 00:00:00,12,CC BY-NC,no
      a/3.tar.gz,J Invented,PMC3,2020-01-01 00:00:00,13,NO-CC CODE,no
      a/4.tar.gz,J Invented,PMC4,2020-01-01 00:00:00,14,CC BY,yes
      b/2.tar.gz,J Invented,PMC5,2020-01-01 00:00:00,15,CC BY-SA,no
      c/2.tar.gz,J Invented,PMC5,2020-01-01 00:00:00,15,CC BY-ND,no
      """
    try FileSystem.write(Array(list.utf8), to: folder + "/oa_file_list.csv")
    let options = [JSONMember("list", .string(folder + "/oa_file_list.csv"))]
    let by = "<license xlink:href=\"http://creativecommons.org/licenses/by/4.0/\"/>"
    #expect(try decision("", pmcid: "1", options: options).0 == "CC BY list")
    #expect(try decision(by, pmcid: "1", options: options).0 == "CC BY 4.0 href")
    let stricter = try decision(by, pmcid: "2", options: options)
    #expect(stricter.0 == "CC BY-NC list" && stricter.warnings == ["license-disagreement": 1])
    #expect(try decision(by, pmcid: "3", options: options).0 == "CC BY 4.0 href")
    #expect(try decision("", pmcid: "3", options: options).0 == "license-unknown: no license is stated")
    #expect(try decision(by, pmcid: "4", options: options).0 == "retracted: according to the list")
    // Two rows of one article: the conditions of both, of which ND leaves SA nothing to say.
    #expect(try decision("", pmcid: "5", options: options).0 == "CC BY-ND list")
    #expect(try decision("", pmcid: "99", options: options).0 == "license-unknown: no license is stated")
  }

  /// Truncated statements may contain conditions, so the license is unknown.
  @Test func moreStatementsThanAreKeptAreUnknown() throws {
    let by = "<license xlink:href=\"http://creativecommons.org/licenses/by/4.0/\"/>"
    let links = (0..<70).map { "<ext-link xlink:href=\"http://creativecommons.org/licenses/by/4.0/x\($0)\"/>" }.joined()
    #expect(
      try decision("<license><license-p>\(links)</license-p></license>").0.hasPrefix(
        "license-unknown: the license statements are too long"))
    let long = String(repeating: "word ", count: 20_000) + "Creative Commons Attribution Non-Commercial License"
    #expect(
      try decision("<license><license-p>CC BY. \(long)</license-p></license>").0.hasPrefix(
        "license-unknown: the license statements are too long"))
    #expect(try decision(String(repeating: by, count: 100)).0 == "CC BY 4.0 href")
  }
}

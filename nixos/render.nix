# Units as systemd.services and systemd.sockets have them, as the text of their files. NixOS has its own way to do that; this
# is for other systems, where units.nix is the source as well. An attribute set of file names and texts.
units:
let
  value = v: if builtins.isBool v then (if v then "true" else "false") else toString v;
  line =
    name: v:
    if builtins.isList v then
      builtins.concatStringsSep "" (map (line name) v)
    else
      "${name}=${value v}\n";
  lines =
    set: builtins.concatStringsSep "" (map (name: line name set.${name}) (builtins.attrNames set));
  section = name: text: if text == "" then "" else "[${name}]\n${text}";
  list =
    name: unit: key:
    if unit ? ${key} then "${name}=${toString unit.${key}}\n" else "";
  file = kind: name: unit: {
    name = "${name}.${kind}";
    value = builtins.concatStringsSep "\n" (
      builtins.filter (text: text != "") [
        (section "Unit" (
          "Description=${unit.description}\n"
          + list "Requires" unit "requires"
          + list "After" unit "after"
          + lines (unit.unitConfig or { })
        ))
        (section "Socket" (lines (unit.socketConfig or { })))
        (section "Service" (lines (unit.serviceConfig or { })))
        (section "Install" (list "WantedBy" unit "wantedBy"))
      ]
    );
  };
  files = kind: set: map (name: file kind name set.${name}) (builtins.attrNames set);
in
builtins.listToAttrs (files "socket" units.sockets ++ files "service" units.services)

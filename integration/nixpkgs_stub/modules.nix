# NixOS' module system, as far as nixos/module.nix needs it: options with types, definitions of several modules with mkIf,
# mkMerge and priorities, errors for what has the wrong type or does not exist. Names and meanings are those of nixpkgs' lib.
let
  inherit (builtins)
    attrNames
    all
    any
    concatMap
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isList
    isString
    length
    listToAttrs
    map
    ;
  kind = value: if isAttrs value then value._type or "" else "";
  show = builtins.concatStringsSep ".";

  type = description: check: {
    inherit description check;
    merge = path: equal path;
  };
  equal =
    path: values:
    if all (value: value == head values) values then
      head values
    else
      throw "The option `${show path}' has conflicting definition values";

  # What a definition says at `path`: a list of values, each with what it depends on. Conditions are not looked at on the
  # way: they may depend on other options of the same module.
  at =
    path: value:
    if kind value == "if" then
      map (d: d // { holds = value.condition && d.holds; }) (at path value.content)
    else if kind value == "merge" then
      concatMap (at path) value.contents
    else if kind value == "override" then
      map (d: d // { inherit (value) priority; }) (at path value.content)
    else if path == [ ] then
      [
        {
          holds = true;
          priority = 100;
          inherit value;
        }
      ]
    else if value ? ${head path} then
      at (builtins.tail path) value.${head path}
    else
      [ ];

  # The values that count: those whose conditions hold, of the highest priority (the lowest number).
  counting =
    definitions:
    let
      held = filter (d: d.holds) definitions;
      best = foldl' (best: d: if d.priority < best then d.priority else best) 10000 held;
    in
    map (d: d.value) (filter (d: d.priority == best) held);

  merge =
    path: type: definitions:
    let
      values = counting definitions;
    in
    if all type.check values then
      type.merge path values
    else
      throw "A definition for option `${show path}' is not of type `${type.description}'";

  isOption = value: kind value == "option";
  isTable = value: isAttrs value && !(value ? type && value.type == "derivation");

  # The options of all modules in one tree; a leaf is an option.
  join =
    a: b:
    a
    // listToAttrs (
      map (name: {
        inherit name;
        value = if a ? ${name} && !isOption b.${name} then join a.${name} b.${name} else b.${name};
      }) (attrNames b)
    );

  # The names of a definition that no option has.
  unknown =
    path: options: value:
    if kind value == "if" || kind value == "override" then
      unknown path options value.content
    else if kind value == "merge" then
      concatMap (unknown path options) value.contents
    else if isOption options then
      [ ]
    else
      concatMap (
        name:
        if options ? ${name} then
          unknown (path ++ [ name ]) options.${name} value.${name}
        else
          [ (show (path ++ [ name ])) ]
      ) (attrNames value);

  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
in
rec {
  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  mkOption = option: option // { _type = "option"; };
  mkEnableOption =
    what:
    mkOption {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };

  types = {
    bool = type "boolean" isBool;
    str = type "string" isString;
    path = type "absolute path" (
      v: builtins.isPath v || v ? outPath || isString v && builtins.substring 0 1 v == "/"
    );
    package = type "package" (v: v.type or "" == "derivation");
    anything = type "anything" (_: true) // {
      merge =
        path: values:
        if all isTable values then (types.attrsOf types.anything).merge path values else equal path values;
    };
    nullOr = of: type "null or ${of.description}" (v: v == null || of.check v);
    enum = values: type "one of ${builtins.toJSON values}" (v: elem v values);
    listOf =
      of:
      type "list of ${of.description}" (v: isList v && all of.check v)
      // {
        merge = _: builtins.concatLists;
      };
    attrsOf =
      of:
      type "attribute set of ${of.description}" isAttrs
      // {
        merge =
          path: values:
          let
            definitions = name: concatMap (at [ name ]) values;
          in
          listToAttrs (
            map
              (name: {
                inherit name;
                value = merge (path ++ [ name ]) of (definitions name);
              })
              (filter (name: counting (definitions name) != [ ]) (attrNames (foldl' (a: b: a // b) { } values)))
          );
      };
  };

  # { config } of these modules, which are functions or sets; `specialArgs` is what the functions get beside `config`.
  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      load =
        module:
        let
          m = if isFunction module then module ({ inherit config; } // specialArgs) else module;
        in
        if m ? config || m ? options then
          {
            options = m.options or { };
            config = m.config or { };
          }
        else
          {
            options = { };
            config = m;
          };
      loaded = map load modules;
      options = foldl' join { } (map (m: m.options) loaded);
      wrong = concatMap (m: unknown [ ] options m.config) loaded;
      values =
        path: tree:
        builtins.mapAttrs (
          name: option:
          let
            here = path ++ [ name ];
            definitions = concatMap (m: at here m.config) loaded;
            default =
              if option ? default then
                [
                  {
                    holds = true;
                    priority = 1500;
                    value = option.default;
                  }
                ]
              else
                [ ];
          in
          if !isOption option then
            values here option
          else if definitions ++ default == [ ] then
            throw "The option `${show here}' is used but not defined"
          else
            merge here option.type (definitions ++ default)
        ) tree;
      config = values [ ] options;
    in
    if wrong == [ ] then
      { inherit config options; }
    else
      throw "The option `${head wrong}' does not exist";
}

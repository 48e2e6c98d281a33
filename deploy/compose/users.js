// Gives each service a user of its own who sees its own database and no other, and who
// may add to the audit log and read it, but change nothing in it. The store's image runs
// this once, when its volume is empty.
const audit = db.getSiblingDB("audit");
const everything = { db: "audit", collection: "" };

audit.createRole({
  role: "writer",
  privileges: [{ resource: everything, actions: ["insert", "find"] }],
  roles: [],
});
audit.createRole({
  role: "preparer",
  privileges: [
    { resource: everything, actions: ["insert", "find", "createIndex"] },
  ],
  roles: [],
});
audit.createUser({
  user: "preparer",
  pwd: require("fs").readFileSync("/run/secrets/preparer", "utf8"),
  roles: [{ role: "preparer", db: "audit" }],
});

const passwords = JSON.parse(
  require("fs").readFileSync("/run/secrets/users.json", "utf8"),
);

for (const [service, password] of Object.entries(passwords)) {
  db.getSiblingDB(service).createUser({
    user: service,
    pwd: password,
    roles: [
      { role: "readWrite", db: service },
      { role: "writer", db: "audit" },
    ],
  });
}

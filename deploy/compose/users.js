// Gives each service a user of its own who sees its own database and no other but the vault. The
// store's image runs this once, when its volume is empty.
const passwords = JSON.parse(
  require("fs").readFileSync("/run/secrets/users.json", "utf8"),
);

// They share the region's keys, which are in a database of their own.
const SEALING = ["referrals", "allocation"];

for (const [service, password] of Object.entries(passwords)) {
  db.getSiblingDB(service).createUser({
    user: service,
    pwd: password,
    roles: [{ role: "readWrite", db: service }].concat(
      SEALING.includes(service) ? [{ role: "readWrite", db: "vault" }] : [],
    ),
  });
}
